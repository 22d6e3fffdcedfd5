"""An environment as an ordinary container image, for where only images run: the same bytes, in layers.

content        the trees of an environment, file by file, with owners, as its image has them
layering       which tree is in which layer
archiving      a layer as a compressed tar archive, the same bytes each time
variables      the manifest's variables in the words of a shell
entrypoint     what runs hook and variables where there is no Breakbulk
configuration  what the image says of itself
layout         an image as a directory or tar archive (OCI image layout)
registry       an image pushed to a registry
exporting      all of it in order
"""
