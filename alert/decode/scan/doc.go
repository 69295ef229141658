// Package scan finds where JSON values end, without judging what is in them: NaN and infinities, names that occur twice
// and any bytes in texts pass. Steps split and rewrite records with it; the evaluator judges strictly what comes out.
// It is pure, and uses no recursion.
package scan
