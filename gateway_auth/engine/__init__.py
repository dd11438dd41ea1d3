"""The only package that awaits on behalf of a request. It reaches the world through `ports` alone."""
