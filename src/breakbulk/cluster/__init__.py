"""Local clusters: a real Kubernetes as processes of this machine, in kind, or one that exists already."""
