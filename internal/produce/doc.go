// Package produce puts sample records into a stream at a steady rate. They are heart rates and stock prices like those
// of AWS's samples. It is for trying things out. It does not promise exact rates under throttling.
package produce
