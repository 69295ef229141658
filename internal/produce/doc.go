// Package produce puts sample records into a stream at a steady rate: heart rates and stock prices like those of AWS's
// samples. It is for trying things out; it does not promise exact rates under throttling.
package produce
