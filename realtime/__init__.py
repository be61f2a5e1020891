"""Live delivery: clients subscribe over websockets (graphql-transport-ws) and receive stored events
without gaps, each once.

- Hub: notifies listeners in this process that something has happened under a key. It carries no
  data.
- EventStream: a stream of stored events as one viewer may read it, from a cursor; what a
  subscription's resolver returns.
- Subscription: one client's running subscription to an EventStream. It is live, or it catches up by
  itself.
- Broadcast: the subscriptions to one stream with equivalent operations; an event is executed and
  encoded once for all of them.
- Client: who is at the other end of a websocket, as the application identified it.
- SocketConnection: one websocket; its Operations are what the client has started on it.
- SocketEndpoint: the ASGI application that accepts websockets.
- CloseCode: why a websocket was closed, and whether the client may resume.
- Presence: who is typing in which ticket. Not stored.
"""
