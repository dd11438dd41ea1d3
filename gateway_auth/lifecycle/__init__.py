"""Use cases on apps, keys and tokens, shared by command line, admin API and portal. Ports are their world.

Each is check, then change, audit event and change-log row in one transaction. An operation that would change
nothing (disable what is disabled) changes nothing: it answers with the object and leaves no rows.
"""
