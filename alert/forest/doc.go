// Package forest scores records by how unlike they are to those before, as RANDOM_CUT_FOREST of Amazon Kinesis Data
// Analytics for SQL did until 2026-01-27, but with a memory that survives restarts. It is pure: no AWS, no clock, no
// goroutines.
//
// # Scores
//
// A [Forest] is a number of trees, each of which holds a random sample of the last records (Guha, Mishra, Roy,
// Schrijvers: Robust Random Cut Forest Based Anomaly Detection On Streams, ICML 2016). The score of a record is high if
// few random cuts of the space around the sample separate it from all others. [Forest.Score] must come before
// [Forest.Update]: a score is that of a record among those before it.
//
//	parameter    SQL function        range                    default here
//	Trees        numberOfTrees       1 to 1000                30 (the function: 100)
//	SampleSize   subSampleSize       10 to 1000, below Decay  256
//	Decay        timeDecay           1 to 2147483647          100,000
//	Shingle      shingleSize         1 to 30                  1
//	Dimensions   numeric columns     1 to 30
//	Scoring                          kda, standard            kda
//	Seed                             any but 0                8
//
// With 100 trees, Scoring kda gives the service's numbers as closely as the service would itself with other random
// cuts: for the 350,710 scores that it left in the Numenta Anomaly Benchmark (NAB), the correlation is 0.996 and the
// root mean square error 0.032; two forests of different seeds differ by 0.034. As the service, it gives 0 to the first
// SampleSize records, which is no opinion; it does so once for a forest, not after every restart. The most is
// log2(SampleSize), 8 for 256: a first other value after a constant. Scoring standard is that of the open source
// library: it begins after SampleSize/4 records, and a record that is equal to many has a lower score.
// [Forest.Attribution] gives every dimension its part in the score, and whether the value is HIGH or LOW, as the column
// ANOMALY_EXPLANATION of RANDOM_CUT_FOREST_WITH_EXPLANATION does. AWS never said how its STRENGTH is computed; here it
// is |high - low| / (high + low) of the two parts.
//
// # What a score means
//
// Most records have 0.4 to 1.2. Scores are relative to the stream, and no threshold is right for all. In NAB, 58 series
// of metrics with labelled anomalies, where 0 is to report nothing and 100 is perfect (30 trees, kda scoring):
//
//	above 3.0, as AWS' sample had it          42
//	above 3.5                                 49
//	the best threshold, by hindsight          51 (the service's scores: 52)
//	automatic, where an excursion begins      48
//	the same with a Floor of 2.5              52
//
// Another seed changes these by one or two.
//
// In AWS' heart-rate sample, where one record in a hundred is HIGH, 3.0 finds 33 to 97 % of them in 60,000 records, 67
// % in the mean: their scores are around 3.0, and how many of them the trees happen to hold decides. After the warm-up
// of 306 records, the automatic threshold finds 99.97 % in the mean of 40 runs and at least 99.1 %, and two false ones
// at most.
//
// So: 3.0 for the alerts that the sample had, 3.5 for fewer false ones, or auto. 30 trees do as well as 100 in a third
// of time and memory, and shingles were worse than single records.
//
// # Automatic threshold
//
// A [Threshold] is the quantile of the forest's own scores at 1 - Rate, so that Rate of all records, one in 500 by
// default, is above it in the long run. But if the scores have a gap below a group of high ones (an upper end of at
// least 1.3 times the lower, with hardly anything in between), and the group is at most Group of all records, one in 50
// by default, the threshold is in the gap. It is never below Floor, 1.5 by default, so that a stream without anomalies
// has no alerts. Anomalies that are more frequent than Group become normal. It begins after 1/Group scores, and older
// scores fade as records do.
//
// A constant has no scale: 72.001 after a thousand times 72 scores as high as 720 does. So where IgnoreNear is not set,
// a value whose sample has kept within 1 % of its median counts as unchanged as long as it is within 1 % of that, and
// the verdict is that of the other dimensions. A constant of 0 has no such band: the first other value is an anomaly,
// however small.
//
// IgnoreNear lets records pass that are near what is expected, by an amount or a ratio. Expected is the median of what
// the trees hold: the level of the last Decay records, not a forecast. Where several levels are normal it is one of
// them. A [Verdict] says which record begins an excursion, so that an alert is made once for all of it.
//
// # State
//
// A score is a function of the configuration and the records before, bit for bit and on every machine: the random
// numbers come from the seed, the number of the record and the tree. [Forest.AppendBinary] and [Decode] keep that: a
// forest that was saved and loaded goes on with the scores that it would have had. The state is versioned and its
// structure is checked, but it has no checksum: that is the caller's. To copy a forest is to decode its state. Of one
// dimension, 100 trees and 256 samples it takes 330 KiB, with values that repeat 100 KiB; the memory is 1.7 MiB, and
// 100 KiB a tenth of it with few records. Scoring may change, all else is part of the state. A threshold has a state of
// its own, of which the configuration is no part.
//
// # What it does not promise
//
//   - The service's very numbers. Its random cuts are unknown; another seed differs as much.
//   - That an anomaly is found. A second one like it is less of an anomaly, and with Decay records alike it is none.
//   - Independence of scale: with several dimensions, those of larger spread are cut more often. Values are not
//     normalised.
//   - A forecast, seasons, or missing values: a record lacks none of its values, or it has no score.
//   - Scores that stay the same in a later version; if they change, so does the version of the state.
package forest
