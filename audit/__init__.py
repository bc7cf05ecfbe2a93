"""What can be audited by a machine: secrets that were committed, and known vulnerabilities of our packages."""
