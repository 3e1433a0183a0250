#!/bin/sh
# me@certificate-chain-incomplete.lab.test: broken at certificate: the server does not send its intermediate certificate; issuer missing: CN=smtpcheck lab intermediate (certificates sent: 1)

# the names, as the resolver answers them
dig @127.0.0.1 -p 34345 -q certificate-chain-incomplete.lab.test -t MX
dig @127.0.0.1 -p 34345 -q _submissions._tcp.certificate-chain-incomplete.lab.test -t SRV
dig @127.0.0.1 -p 34345 -q _submission._tcp.certificate-chain-incomplete.lab.test -t SRV
dig @127.0.0.1 -p 34345 -q smtp.certificate-chain-incomplete.lab.test -t A
dig @127.0.0.1 -p 34345 -q smtp.certificate-chain-incomplete.lab.test -t AAAA
# the TLS handshake and the certificates
openssl s_client -connect 127.0.0.1:45913 -starttls smtp -servername smtp.certificate-chain-incomplete.lab.test -verify_hostname smtp.certificate-chain-incomplete.lab.test -CAfile /tmp/smtpcheck-lab-rg_c17g0/root-0.pem -verify_return_error -showcerts </dev/null
# the session up to the login, which costs one attempt; swaks asks for the password
swaks --server 127.0.0.1 --port 45913 --tls --tls-verify --tls-sni smtp.certificate-chain-incomplete.lab.test --tls-ca-path /tmp/smtpcheck-lab-rg_c17g0/root-0.pem --auth PLAIN --auth-user me@certificate-chain-incomplete.lab.test --protect-prompt --auth-hide-password --from me@certificate-chain-incomplete.lab.test --quit-after AUTH
