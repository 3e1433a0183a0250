#!/bin/sh
# me@cert-chain-incomplete.lab.test: broken at certificate: the server does not send its intermediate certificate; issuer missing: CN=smtpcheck lab intermediate (certificates sent: 1)

# the names, as the resolver answers them
dig @127.0.0.1 -p 46057 -q cert-chain-incomplete.lab.test -t MX
dig @127.0.0.1 -p 46057 -q _submissions._tcp.cert-chain-incomplete.lab.test -t SRV
dig @127.0.0.1 -p 46057 -q _submission._tcp.cert-chain-incomplete.lab.test -t SRV
dig @127.0.0.1 -p 46057 -q smtp.cert-chain-incomplete.lab.test -t A
dig @127.0.0.1 -p 46057 -q smtp.cert-chain-incomplete.lab.test -t AAAA
# the TLS handshake and the certificates
openssl s_client -connect 127.0.0.1:43871 -starttls smtp -servername smtp.cert-chain-incomplete.lab.test -verify_hostname smtp.cert-chain-incomplete.lab.test -CAfile /tmp/smtpcheck-lab-o1h8kcs5/root-0.pem -verify_return_error -showcerts </dev/null
# the session up to the login, which costs one attempt; swaks asks for the password
swaks --server 127.0.0.1 --port 43871 --tls --tls-verify --tls-sni smtp.cert-chain-incomplete.lab.test --tls-ca-path /tmp/smtpcheck-lab-o1h8kcs5/root-0.pem --auth PLAIN --auth-user me@cert-chain-incomplete.lab.test --protect-prompt --auth-hide-password --from me@cert-chain-incomplete.lab.test --quit-after AUTH
