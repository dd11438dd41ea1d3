"""Redis and Valkey: what all nodes share. Each module is one of its uses; none knows what a request is."""
