"""Breakbulk ships workloads to Kubernetes without container images."""
