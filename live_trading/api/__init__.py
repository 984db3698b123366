"""The HTTP interface: REST, WebSocket, users, and the web pages' files.

Stateless, and any number of processes of it: what it knows is in MongoDB, where it meets the engine. It reads the read
models, follows the journal, and passes on what a person asks for as a durable command. It never imports the engine.
"""
