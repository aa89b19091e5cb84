// Complex arithmetic in double precision, principal branches.

export interface Complex {
  readonly re: number;
  readonly im: number;
}

export const complex = (re: number, im = 0): Complex => ({ re, im });

export const plus = (a: Complex, b: Complex): Complex => complex(a.re + b.re, a.im + b.im);
export const minus = (a: Complex, b: Complex): Complex => complex(a.re - b.re, a.im - b.im);

export function times(a: Complex, b: Complex): Complex {
  if (a.im === 0 && b.im === 0) return complex(a.re * b.re);
  return complex(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re);
}

export function over(a: Complex, b: Complex): Complex {
  if (a.im === 0 && b.im === 0) return complex(a.re / b.re);
  const norm = b.re * b.re + b.im * b.im;
  return complex((a.re * b.re + a.im * b.im) / norm, (a.im * b.re - a.re * b.im) / norm);
}

export const magnitude = (a: Complex): number => Math.hypot(a.re, a.im);
export const isReal = (a: Complex): boolean => a.im === 0;
export const isFiniteComplex = (a: Complex): boolean => Number.isFinite(a.re) && Number.isFinite(a.im);

export const exp = (a: Complex): Complex =>
  complex(Math.exp(a.re) * Math.cos(a.im), a.im === 0 ? 0 : Math.exp(a.re) * Math.sin(a.im));
export const ln = (a: Complex): Complex => complex(Math.log(magnitude(a)), Math.atan2(a.im, a.re));

export function power(base: Complex, exponent: Complex): Complex {
  if (isReal(base) && isReal(exponent) && (base.re >= 0 || Number.isInteger(exponent.re)))
    return complex(base.re ** exponent.re);
  if (base.re === 0 && base.im === 0) return complex(exponent.re > 0 ? 0 : Number.NaN);
  return exp(times(ln(base), exponent));
}

const i = complex(0, 1);
const half = (a: Complex): Complex => complex(a.re / 2, a.im / 2);
const negative = (a: Complex): Complex => complex(-a.re, -a.im);

export function sin(a: Complex): Complex {
  if (isReal(a)) return complex(Math.sin(a.re));
  const turned = times(i, a);
  return over(minus(exp(turned), exp(negative(turned))), complex(0, 2));
}

export function cos(a: Complex): Complex {
  if (isReal(a)) return complex(Math.cos(a.re));
  const turned = times(i, a);
  return half(plus(exp(turned), exp(negative(turned))));
}

export const sinh = (a: Complex): Complex => half(minus(exp(a), exp(negative(a))));
export const cosh = (a: Complex): Complex => half(plus(exp(a), exp(negative(a))));

/** A function of one real number; NaN off the real line. */
export const realFunction =
  (f: (x: number) => number) =>
  (a: Complex): Complex =>
    isReal(a) ? complex(f(a.re)) : complex(Number.NaN);
