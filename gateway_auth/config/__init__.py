"""What operators write, as one immutable `Configuration`. Importing it loads pydantic."""

from gateway_auth.config.configuration import ApiKeySettings, Configuration
from gateway_auth.config.load import load

__all__ = ["ApiKeySettings", "Configuration", "load"]
