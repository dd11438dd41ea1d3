"""The ASGI edge: scope to facts, decision to answer. Pure ASGI, in front of any app and on any server."""
