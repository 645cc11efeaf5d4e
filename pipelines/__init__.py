"""The job and its commands: flags become finished objects, and the objects a graph."""
