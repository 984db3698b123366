/** The Gatekeeper's rules in words: what each means, and what a person can do. Codes are those of SIGNAL_REFUSED. */

interface Rule {
  title: string;
  means: string;
  remedy: string;
}

export const RULES: Readonly<Record<string, Rule>> = {
  KILL_SWITCH: {
    title: 'Kill switch',
    means: 'No operation may take new risk.',
    remedy: 'Reset the kill switch once the cause is understood.',
  },
  OPERATION_NOT_ACTIVE: {
    title: 'Operation not active',
    means: 'Only an active operation may enter the market.',
    remedy: 'Resume the operation.',
  },
  BROKER_NOT_READY: {
    title: 'Broker not ready',
    means: 'The broker is not connected, or not synchronised yet.',
    remedy: 'Wait for the connection; Settings shows it.',
  },
  MARKET_CLOSED: {
    title: 'Market closed',
    means: 'The instrument does not trade at this time.',
    remedy: 'Try again when the market opens.',
  },
  STALE_DATA: {
    title: 'Stale data',
    means: 'The last price is too old to act on.',
    remedy: 'Wait for fresh prices.',
  },
  CIRCUIT_BREAKER: {
    title: 'Circuit breaker',
    means: 'Too many orders failed in a short time.',
    remedy: 'It closes by itself; look at why the orders failed.',
  },
  MAX_POSITION_SIZE: {
    title: 'Position size limit',
    means: 'The position would be larger than allowed.',
    remedy: 'Ask for less, or raise max_position_size.',
  },
  MAX_ORDER_NOTIONAL: {
    title: 'Order value limit',
    means: 'The order would be worth more than allowed.',
    remedy: 'Ask for less, or raise max_order_notional.',
  },
  MAX_EXPOSURE: {
    title: 'Exposure limit',
    means: 'Open positions and orders together would be worth more than allowed.',
    remedy: 'Close something first, or raise the limit.',
  },
  PRICE_SANITY: {
    title: 'Price too far away',
    means: "The order's price is too far from the last one.",
    remedy: 'Check the price for a slipped digit.',
  },
  RATE_LIMIT: {
    title: 'Too many orders',
    means: 'More orders a second than allowed.',
    remedy: 'Try again in a moment.',
  },
};

/** Words for refusals that are not the Gatekeeper's: the engine's and the interface's stable codes. */
export const CODES: Readonly<Record<string, string>> = {
  WRONG_STATUS: 'Not possible in its present state',
  NO_POSITION: 'There is no open position',
  ALREADY_CLOSING: 'It is being closed already',
  DISCREPANCY: 'The position differs at the broker',
  ORDER_IN_DOUBT: "The order's fate is being found out",
  BROKER_UNAVAILABLE: 'The broker cannot be reached',
  NOT_FOUND: 'It is no longer there',
  INVALID_INPUT: 'Something in it is not right',
  STALE_DATA: 'The last price is too old',
};

/** The title of a refusal's code, in words. */
export const refusalTitle = (code: string): string | undefined => RULES[code]?.title ?? CODES[code];
