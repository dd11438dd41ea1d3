"""Which policy a request falls under: the most specific one, found by walking the path segment by segment.

Literal segment over `{name}` over `{name:path}`, from left to right; then a named method over any. The cost of
a look-up grows with the path's segments, not with the number of routes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gateway_auth.core.path import canonical_path
from gateway_auth.core.policy import Policy

RESERVED_PREFIX = "/.gateway/"
NEVER_ROUTED = frozenset(("CONNECT", "TRACE", "TRACK"))
"""Methods no route can be for: they address the server itself or echo credentials (RFC 9110 section 9.3.8)."""

ANY = "*"
_PARAMETER = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*(:path)?\}")


class _Node:
    __slots__ = ("literals", "methods", "parameter", "rest")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.rest: _Node | None = None
        self.methods: dict[str, Policy] = {}


class RouteTable:
    """The compiled routes of one configuration."""

    __slots__ = ("_literal_heads", "_root")

    def __init__(self, policies: Iterable[Policy]) -> None:
        """Raises ValueError for the first route `find_conflicts` would report."""
        self._root = _Node()
        policies = tuple(policies)
        for policy in policies:
            explain = explain_template(policy.path) or self._add(policy)
            if explain:
                raise ValueError(f"route {policy.id}: {explain}")
        _let_head_follow_get(self._root)
        self._literal_heads = dict(_literal_heads(self._root, ""))

    def _add(self, policy: Policy) -> str | None:
        node = self._root
        for segment in policy.path.split("/")[1:]:
            node = _child(node, segment)
        for method in policy.methods or (ANY,):
            taken = node.methods.setdefault(method, policy)
            if taken is not policy:
                return f'ties with route "{taken.id}": same path and method {method}, neither is more specific'
        return None

    def match(self, method: str, path: str) -> Policy | None:
        """The policy of a request, or None: then it is denied."""
        if method in NEVER_ROUTED:
            return None
        # Most paths are literal but for their last segment, and literals are what the search would try first.
        head, _, last = path.rpartition("/")
        node = self._literal_heads.get(head)
        if node is not None:
            end = node.literals.get(last) or (node.parameter if last else None)
            if end is not None:
                found = end.methods.get(method) or end.methods.get(ANY)
                if found is not None:
                    return found
        return self._search(method, path.split("/"))

    def _search(self, method: str, segments: list[str]) -> Policy | None:
        """The most specific branch that has the method, going back where one ends."""
        count = len(segments)
        node, index = self._root, 1
        untried: list[tuple[_Node, int]] = []
        while True:
            if index == count:
                found = node.methods.get(method) or node.methods.get(ANY)
                if found is not None:
                    return found
            else:
                segment = segments[index]
                # Pushed so that the last is the most specific: the rest, then a parameter, then the literal.
                if node.rest is not None:
                    untried.append((node.rest, count))
                if node.parameter is not None and segment:
                    untried.append((node.parameter, index + 1))
                if segment in node.literals:
                    untried.append((node.literals[segment], index + 1))
            if not untried:
                return None
            node, index = untried.pop()


def find_conflicts(policies: Iterable[tuple[int, Policy]]) -> list[tuple[int, str]]:
    """(position, problem) of every route that can never be reached or ties with an earlier one."""
    table = RouteTable(())
    problems = []
    for position, policy in policies:
        explain = explain_template(policy.path) or _explain_methods(policy) or table._add(policy)
        if explain:
            problems.append((position, explain))
    return problems


def explain_template(path: str) -> str | None:
    """Why `path` cannot be a route's path, or None."""
    if not path.startswith("/"):
        return 'path must begin with "/"'
    if path.startswith(RESERVED_PREFIX):
        return f"can never be reached: {RESERVED_PREFIX} belongs to the gateway"
    segments = path.split("/")[1:]
    for position, segment in enumerate(segments):
        match = _PARAMETER.fullmatch(segment)
        if match is None and ("{" in segment or "}" in segment):
            return f'"{segment[:64]}" is not a segment: write a literal, "{{name}}", or "{{name:path}}" as the last'
        if match is not None and match.group(1) and position < len(segments) - 1:
            return f'"{segment[:64]}" takes all that is left and must be the last segment'
    literal = "/".join("x" if _PARAMETER.fullmatch(segment) else segment for segment in path.split("/"))
    canonical = canonical_path(literal.encode())
    if canonical != literal:
        hint = f'write "{canonical}"' if isinstance(canonical, str) else canonical.detail
        return f"can never be reached: {hint}"
    return None


def _explain_methods(policy: Policy) -> str | None:
    methods = policy.methods
    if methods is not None and (not methods or methods & NEVER_ROUTED):
        named = ", ".join(sorted(methods & NEVER_ROUTED)) or "of an empty list"
        return f"can never be reached: no request passes with method {named}"
    if policy.is_websocket and methods is not None and "GET" not in methods:
        return "websocket = true can never be reached: an upgrade is judged as GET, which methods does not name"
    return None


def _child(node: _Node, segment: str) -> _Node:
    match = _PARAMETER.fullmatch(segment)
    if match is None:
        return node.literals.setdefault(segment, _Node())
    if match.group(1):
        node.rest = node.rest or _Node()
        return node.rest
    node.parameter = node.parameter or _Node()
    return node.parameter


def _literal_heads(root: _Node, start: str) -> Iterator[tuple[str, _Node]]:
    """Every node that literal segments alone lead to, by the path that does."""
    unseen = [(start, root)]
    while unseen:
        head, node = unseen.pop()
        yield head, node
        unseen.extend((f"{head}/{segment}", child) for segment, child in node.literals.items())


def _let_head_follow_get(root: _Node) -> None:
    """A HEAD nobody named is judged as GET (RFC 9110 section 9.3.2)."""
    unseen = [root]
    while unseen:
        node = unseen.pop()
        if "GET" in node.methods:
            node.methods.setdefault("HEAD", node.methods["GET"])
        unseen.extend(child for child in (*node.literals.values(), node.parameter, node.rest) if child is not None)
