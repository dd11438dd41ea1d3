"""Whether an RSA modulus has the fingerprint of ROCA (CVE-2017-15361): made by a library whose keys can be factored.

Its primes are powers of 65537 modulo the product of the first primes, times a constant plus a small part. So their
product is a power of 65537 modulo each of those primes; a modulus of another origin is one by chance in 10^8 cases.
"""

from __future__ import annotations

_GENERATOR = 65537
_PRIMES = (
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
)  # fmt: skip
_POWERS = {prime: frozenset(pow(_GENERATOR, power, prime) for power in range(prime)) for prime in _PRIMES}


def has_roca_fingerprint(modulus: int) -> bool:
    """Whether `modulus` is a power of 65537 modulo every prime of the fingerprint."""
    return all(modulus % prime in powers for prime, powers in _POWERS.items())
