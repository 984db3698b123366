"""Who may do what: users, log-ins, tokens, and the check before every route and socket."""
