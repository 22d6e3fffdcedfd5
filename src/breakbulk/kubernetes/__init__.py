"""Talking to a Kubernetes cluster: connection, reflector, events, pure builders of objects, apply, explanations."""
