/**
 * A client of graphql-ws whose subscriptions resume, for libraries that copy the variables of an operation, such as Apollo
 * Client and urql. graphql-ws sends the variables again after each reconnection: `after` becomes the sequence of the last event.
 * So a subscription to a stream needs the variables `$after` and `$epoch`, and selects `sequence` and `epoch`. It fails with STREAM_RESET when
 * the server has gone back to an earlier state: load everything again, and subscribe anew.
 */
export function resuming(client) {
  return {
    ...client,
    subscribe(payload, sink) {
      const variables = { ...payload.variables }
      return client.subscribe(
        { ...payload, variables },
        {
          next(result) {
            sink.next(result)
            for (const event of Object.values(result.data ?? {})) {
              variables.after = event?.sequence ?? variables.after
              if (event?.epoch) variables.epoch = event.epoch
            }
          },
          error: (error) => sink.error(error),
          complete: () => sink.complete(),
        },
      )
    },
  }
}
