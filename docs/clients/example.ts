// A small CAMCHA client for browsers and Node: see docs/clients.md. Its only dependency is graphql-ws.
import { createClient, type Client } from "graphql-ws"

/** What went wrong. Switch on `code`; show `message`; `field` is the path to the invalid input, if there is one. */
export class CamchaError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly field: readonly string[] | null = null,
    /** Seconds to wait before the next attempt, for RATE_LIMITED. */
    readonly retryAfter: number | null = null,
  ) {
    super(message)
  }
}

export interface TicketEvent {
  sequence: number
  epoch: string
  kind: string
  message: { body: string; clientMessageId: string; files: { name: string }[] } | null
}

interface Tokens {
  accessToken: string
  refreshToken: string
  accessExpiresAt: string
}

interface GraphQLResponse {
  data?: Record<string, any> | null
  errors?: { message: string; extensions?: { code?: string; retryAfter?: number } }[]
}

const TOKENS = "session { accessToken refreshToken accessExpiresAt } userErrors { code message field }"
const EVENTS = `subscription ($ticketId: ID!, $after: BigInt!, $epoch: String) {
  ticketEvents(ticketId: $ticketId, after: $after, epoch: $epoch) {
    sequence epoch kind message { body clientMessageId files { name } }
  }
}`

export class Camcha {
  #tokens: Tokens | null = null
  #refresh: Promise<void> | null = null
  readonly #sockets: Client

  /**
   * `url` is the address of the GraphQL endpoint, such as https://api.example.fr/graphql. `retryWait` waits before an
   * attempt to reconnect; by default graphql-ws waits 1, 2, 4, ... seconds and a random time.
   */
  constructor(readonly url: string, retryWait?: (attempt: number) => Promise<void>) {
    this.#sockets = createClient({
      url: url.replace(/^http/, "ws"),
      connectionParams: async () => ({ authorization: `Bearer ${await this.#accessToken()}` }),
      shouldRetry: () => true, // also when the server can't be reached
      retryAttempts: Infinity,
      retryWait,
    })
  }

  async signIn(email: string, password: string, code?: string): Promise<void> {
    const document = `mutation ($input: SessionSignInInput!) { sessionSignIn(input: $input) { ${TOKENS} } }`
    this.#tokens = (await this.#mutate("sessionSignIn", document, { email, password, code }, false)).session
  }

  /** Get the next pair of tokens. Concurrent calls share one request, because a refresh token works only once. */
  async refresh(): Promise<void> {
    this.#refresh ??= this.#exchange().finally(() => (this.#refresh = null))
    await this.#refresh
  }

  async #exchange(): Promise<void> {
    if (!this.#tokens) throw new CamchaError("UNAUTHENTICATED", "Sign in first")
    const document = `mutation ($input: SessionRefreshInput!) { sessionRefresh(input: $input) { ${TOKENS} } }`
    const input = { refreshToken: this.#tokens.refreshToken }
    this.#tokens = (await this.#mutate("sessionRefresh", document, input, false)).session
  }

  /** Open a chat and return the ticket's id. Retrying with the same key returns the same ticket. */
  async openTicket(subject: string, body: string, idempotencyKey: string): Promise<string> {
    const document = `mutation ($input: TicketOpenInput!) {
      ticketOpen(input: $input) { ticket { id } userErrors { code message field } }
    }`
    const input = { subject, body, channel: "CHAT", idempotencyKey }
    return (await this.#mutate("ticketOpen", document, input)).ticket.id
  }

  /** Upload a file and return its id, which can then be attached to one message. */
  async upload(name: string, content: Blob): Promise<string> {
    const document = `mutation ($input: FileAnnounceInput!) {
      fileAnnounce(input: $input) { file { id } uploadUrl userErrors { code message field } }
    }`
    const input = { name, contentType: content.type, size: content.size }
    const { file, uploadUrl } = await this.#mutate("fileAnnounce", document, input)
    const response = await fetch(uploadUrl, { method: "PUT", body: content })
    if (!response.ok) {
      const { code, message } = await response.json()
      throw new CamchaError(code, message)
    }
    return file.id
  }

  /** Send a message and return its number. Retrying with the same clientMessageId returns the same message. */
  async reply(ticketId: string, body: string, clientMessageId: string, fileIds: string[] = []): Promise<number> {
    const document = `mutation ($input: TicketReplyInput!) {
      ticketReply(input: $input) { message { sequence } userErrors { code message field } }
    }`
    const payload = await this.#mutate("ticketReply", document, { ticketId, body, clientMessageId, fileIds })
    return payload.message.sequence
  }

  /**
   * Follow a ticket from the event after `after`. No event is lost or repeated when the connection breaks. When the server
   * has gone back to a backup, the events come again from the first: `onReset` is called before, to discard the earlier ones.
   */
  async *ticketEvents(ticketId: string, after = 0, onReset?: () => void): AsyncGenerator<TicketEvent, void> {
    // graphql-ws sends the variables again after a reconnection, with the new `after`
    const variables: { ticketId: string; after: number; epoch: string | null } = { ticketId, after, epoch: null }
    for (;;) {
      try {
        for await (const result of this.#sockets.iterate<{ ticketEvents: TicketEvent }>({ query: EVENTS, variables })) {
          const event = data(result as GraphQLResponse).ticketEvents as TicketEvent
          variables.after = event.sequence
          variables.epoch = event.epoch
          yield event
        }
        return
      } catch (error) {
        if (codeOf(error) === "STREAM_RESET") {
          Object.assign(variables, { after: 0, epoch: null })
          onReset?.()
          continue
        }
        if ((error as Partial<CloseEvent>).code !== 4401) throw error // graphql-ws gives up at this code
        await this.refresh()
      }
    }
  }

  async close(): Promise<void> {
    await this.#sockets.dispose()
  }

  async #mutate(name: string, document: string, input: object, authenticated = true): Promise<Record<string, any>> {
    const token = authenticated ? await this.#accessToken() : null
    let response = await this.#post(document, { input }, token)
    if (token && response.errors?.[0]?.extensions?.code === "UNAUTHENTICATED") {
      if (token === this.#tokens?.accessToken) await this.refresh() // else another request has refreshed it meanwhile
      response = await this.#post(document, { input }, await this.#accessToken())
    }
    const payload = data(response)[name]
    const error = payload.userErrors[0]
    if (error) throw new CamchaError(error.code, error.message, error.field)
    return payload
  }

  /** An access token that is valid for at least another 30 seconds. */
  async #accessToken(): Promise<string> {
    if (!this.#tokens || Date.parse(this.#tokens.accessExpiresAt) - Date.now() < 30_000) await this.refresh()
    return this.#tokens!.accessToken
  }

  async #post(query: string, variables: object, token: string | null): Promise<GraphQLResponse> {
    const headers: Record<string, string> = { "content-type": "application/json" }
    headers["accept"] = "application/graphql-response+json"
    if (token) headers["authorization"] = `Bearer ${token}`
    const response = await fetch(this.url, { method: "POST", headers, body: JSON.stringify({ query, variables }) })
    return response.json()
  }
}

/** The code of an error with which a subscription failed: graphql-ws throws the list of GraphQL errors. */
function codeOf(error: unknown): string | undefined {
  const first = Array.isArray(error) ? (error as NonNullable<GraphQLResponse["errors"]>)[0] : error
  return (first as { code?: string })?.code ?? (first as { extensions?: { code?: string } })?.extensions?.code
}

/** The data of a response. Throws CamchaError for the first top-level error. */
function data({ data, errors }: GraphQLResponse): Record<string, any> {
  const error = errors?.[0]
  if (error) {
    const { code, retryAfter } = error.extensions ?? {}
    throw new CamchaError(code ?? "INTERNAL", error.message, null, retryAfter ?? null)
  }
  return data!
}
