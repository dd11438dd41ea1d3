"""Forward-auth: another proxy asks before it forwards. `app` is the way in; start reading there."""

from gateway_auth.forward_auth.answer import Answering
from gateway_auth.forward_auth.app import ForwardAuth

__all__ = ["Answering", "ForwardAuth"]
