"""Make a machine a node that runs environments, and undo it: containerd, the runtime handler, systemd, DaemonSets."""
