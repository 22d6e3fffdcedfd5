"""What runs on a Kubernetes node.

    handler/      what containerd calls in the place of runc
    agent/        sees which pods come, and has their environments made present in time
    realising/    what it has done to the store, in processes of their own
    installing/   makes a machine such a node
    examining/    says what is wrong with one

They share what stands here: annotations of pods, the files that the agent writes and the handler reads (`records`),
what both say through a socket (`protocol`), and where everything is (`place`).
"""
