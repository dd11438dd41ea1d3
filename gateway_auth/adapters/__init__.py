"""What stands behind the ports: drivers of databases and servers, and their twins in memory."""
