"""What the gateway is measured against as a proxy, and its own configuration there: files as their users write them."""
