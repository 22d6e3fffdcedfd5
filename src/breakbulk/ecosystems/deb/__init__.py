"""Debian packages: signed indices, our own resolver, unpacking, and what maintainer scripts would have done."""
