"""One module per wire protocol, and the HTTP they share."""
