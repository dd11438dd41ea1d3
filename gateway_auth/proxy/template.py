"""The head of a request whose fields come again: what differs is the request line and our id alone."""

from __future__ import annotations

import msgspec

from gateway_auth.proxy.request import IDEMPOTENT, NO_BODY, RequestHead, request_line


class Template(msgspec.Struct, frozen=True):
    """`before` and `after` the value of the request id, from the line of the target on."""

    before: bytes
    after: bytes

    def head(self, method: str, path: bytes, query: bytes, request_id: bytes) -> RequestHead:
        """For another request without a body. Raises `RequestRefused`."""
        line = request_line(method, path, query)
        return RequestHead(
            data=b"%b\r\n%b%b%b" % (line, self.before, request_id, self.after),
            body_bytes=NO_BODY,
            is_head=method == "HEAD",
            is_repeatable=method in IDEMPOTENT,
        )


def template_of(head: RequestHead, request_id: bytes) -> Template | None:
    """Of a head that was made in full; None where it has a body, or the id stands in it other than once."""
    fields = head.data.partition(b" HTTP/1.1\r\n")[2]
    if head.body_bytes != NO_BODY or fields.count(request_id) != 1:
        return None
    before, _, after = fields.partition(request_id)
    return Template(before, after)
