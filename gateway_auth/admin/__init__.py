"""The admin plane: a listener of its own, credentials of its own, the HTTP form of what `lifecycle.desk` offers.

`app` puts it together; `operations` is the table of all there is, from which routes and OpenAPI document are made.
"""

from gateway_auth.admin.app import build_admin_app

__all__ = ["build_admin_app"]
