// What the best of n draws from some results is on average: as `samebit.stats.expected_best` has it.

/** Draws without putting them back, the unbiased estimator of Tang et al. (2020). */
export function expectedBest(scores, budget, lowerIsBetter = false) {
  const sign = lowerIsBetter ? -1 : 1;
  const sorted = scores.map((score) => sign * score).sort((one, other) => one - other);
  const many = sorted.length;
  // The chance that the score at a rank is the best of the draw: C(rank, n-1) / C(many, n), step by step.
  let chance = budget / many;
  let sum = 0;
  for (let rank = many - 1; rank >= budget - 1; rank--) {
    sum += chance * sorted[rank];
    chance *= (rank - budget + 1) / rank || 0;
  }
  return sign * sum;
}
