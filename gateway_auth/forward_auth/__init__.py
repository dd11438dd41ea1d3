"""Forward-auth: another proxy asks before it forwards. `app` is the way in; start reading there."""

from gateway_auth.forward_auth.answer import Answering
from gateway_auth.forward_auth.app import ForwardAuth
from gateway_auth.forward_auth.telling import AUTHORIZE_PATH

__all__ = ["AUTHORIZE", "Answering", "ForwardAuth"]

AUTHORIZE = AUTHORIZE_PATH.decode()
"""The path that proxies ask at; Envoy adds the path it asks about."""
