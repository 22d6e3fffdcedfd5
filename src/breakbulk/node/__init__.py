"""What runs on a Kubernetes node: the runtime handler, the node agent, and what installs and examines them."""
