"""Workers are told of a change at once, by the database itself; when they are not, they still look."""

PATIENCE_SECONDS = 30.0
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gateway-auth'"
