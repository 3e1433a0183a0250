"""How is it run without the script? As `python -m smtpcheck`."""

from smtpcheck.cli import main

main()
