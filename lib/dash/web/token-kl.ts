/** KL_prcp's estimate k3 of a token with its clamps: nats, 0 to 10. */
export function tokenKl(logProb: number, maskedLogProb: number): number {
  const s = Math.min(20, Math.max(-20, maskedLogProb - logProb));
  return Math.min(10, Math.exp(s) - s - 1);
}
