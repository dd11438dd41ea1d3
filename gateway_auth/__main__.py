"""`python -m gateway_auth` is the command `gateway-auth`."""

import sys

from gateway_auth.cli import main

if __name__ == "__main__":  # worker processes that are spawned import this module again, under another name
    sys.exit(main())
