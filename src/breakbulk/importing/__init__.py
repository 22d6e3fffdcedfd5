"""Manifests made from what runs elsewhere: a Dockerfile, an `environment.yml` of conda, an image in a tar archive.

Each is read without running or unpacking anything. What it says becomes a manifest that is valid as it stands, together
with a report, line by line, of what was taken, what was approximated and what could not be. Counterparts:
`manifest.importing`, for formats that list packages and nothing else, and `images`, which goes the other way.
"""
