"""What `gateway-auth demo` shows: a sample API, a configuration in front of it, keys, and a tour of answers.

It prints nothing and starts no server; the command does.
"""
