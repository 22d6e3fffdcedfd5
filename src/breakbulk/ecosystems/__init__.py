"""Where packages come from: one module each, all with the interface of `interface`; `resolving` asks them all."""
