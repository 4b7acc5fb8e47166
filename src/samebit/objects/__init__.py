"""The content-addressed store: bytes under the name of their content, and folders of them."""
