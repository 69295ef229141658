// Package forest scores records by how much they differ from earlier ones. RANDOM_CUT_FOREST of Amazon Kinesis Data
// Analytics for SQL did this until 2026-01-27; here the memory survives restarts. The package is pure: no AWS, no
// clock, no goroutines.
//
// # Scores
//
// A [Forest] has a number of trees. Each holds a random sample of the last records (Guha, Mishra, Roy, Schrijvers:
// Robust Random Cut Forest Based Anomaly Detection On Streams, ICML 2016). The score of a record is high if few random
// cuts of the space around the sample separate it from all others. Call [Forest.Score] before [Forest.Update]: a
// record's score compares it with those before it.
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
// With 100 trees, Scoring kda gives the service's numbers as closely as the service itself would with other random
// cuts. The service left 350,710 scores in the Numenta Anomaly Benchmark (NAB). For these the correlation is 0.996 and
// the root mean square error 0.032. Two forests of different seeds differ by 0.034. Like the service, it gives 0 to the
// first SampleSize records, which is no opinion. It does so once for a forest, not after every restart. The highest
// score is log2(SampleSize), 8 for 256: the first other value after a constant.
//
// Scoring standard is that of the open source library. It begins after SampleSize/4 records, and a record that is equal
// to many has a lower score.
//
// [Forest.Attribution] gives every dimension its part in the score, and whether the value is HIGH or LOW. So does the
// column ANOMALY_EXPLANATION of RANDOM_CUT_FOREST_WITH_EXPLANATION. AWS never published how its STRENGTH is computed.
// Here it is |high - low| / (high + low) of the two parts.
//
// # What a score means
//
// Most records have 0.4 to 1.2. Scores are relative to the stream, and no threshold is right for all. NAB has 58 series
// of metrics with labelled anomalies. There 0 is to report nothing, and 100 is perfect (30 trees, kda scoring):
//
//	above 3.0, as AWS' sample had it          42
//	above 3.5                                 49
//	the best threshold, by hindsight          51 (the service's scores: 52)
//	automatic, at the start of an anomaly     48
//	the same with a Floor of 2.5              52
//
// Another seed changes these by one or two.
//
// In AWS' heart-rate sample one record in a hundred is HIGH. A threshold of 3.0 finds 33 to 97 % of them in 60,000
// records, 67 % in the mean. Their scores are around 3.0, and the result depends on how many of them the trees happen
// to hold. After the warm-up of 306 records, the automatic threshold finds 99.97 % in the mean of 40 runs. It finds at
// least 99.1 %, and at most two false ones.
//
// So use 3.0 for the alerts that the sample had, 3.5 for fewer false ones, or auto. 30 trees do as well as 100 in a
// third of time and memory. Shingles were worse than single records.
//
// # Automatic threshold
//
// A [Threshold] is the quantile of the forest's own scores at 1 - Rate. So Rate of all records, one in 500 by default,
// is above it in the long run. A gap below a group of high scores takes precedence. Its upper end is at least 1.3 times
// the lower, with hardly any scores in between. If the group is at most Group of all records, one in 50 by default, the
// threshold is in the gap. It is never below Floor, 1.5 by default, so that a stream without anomalies has no alerts.
// Anomalies that are more frequent than Group become normal. The threshold begins after 1/Group scores, and older
// scores fade as records do.
//
// A constant has no scale: 72.001 after a thousand times 72 scores as high as 720 does. So there is a band where
// IgnoreNear is not set. If the sample of a dimension has kept within 1 % of its median, a value within 1 % of that
// median counts as unchanged. The other dimensions then decide the verdict. A constant of 0 has no such band: the first
// other value is an anomaly, however small.
//
// IgnoreNear lets records pass that are near what is expected, by an amount or a ratio. Expected is the median of what
// the trees hold: the level of the last Decay records, not a forecast. Where several levels are normal it is one of
// them. A [Verdict] says which record is the first of an anomaly, so that one alert is made for all of it.
//
// # State
//
// A score is a function of the configuration and the earlier records, bit for bit and on every machine. The random
// numbers come from the seed, the number of the record and the tree. [Forest.AppendBinary] and [Decode] keep that: a
// forest that was saved and loaded continues with the scores that it would have had.
//
// The state is versioned and its structure is checked. It has no checksum: that is the caller's. To copy a forest,
// decode its state. Of one dimension, 100 trees and 256 samples it takes 330 KiB, with values that repeat 100 KiB. The
// memory is 1.7 MiB, and 100 KiB a tenth of it with few records. Scoring may change; all else is part of the state. A
// threshold has a state of its own, without the configuration.
//
// # What it does not promise
//
//   - The service's very numbers. Its random cuts are unknown; another seed differs as much.
//   - That an anomaly is found. A second one like it is less of an anomaly, and with Decay records alike it is none.
//   - Independence of scale. With several dimensions, those of larger spread are cut more often. Values are not
//     normalised.
//   - A forecast, seasons, or missing values. A record lacks none of its values, or it has no score.
//   - Scores that stay the same in a later version. If they change, so does the version of the state.
package forest
