/** The two schemes that a delivery is signed with, by the header that carries the signature. */
export const PAGE = 'X-Nano-Signature';
export const STANDARD = 'webhook-signature';
