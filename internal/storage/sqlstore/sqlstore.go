// Package sqlstore keeps what the features ask to be kept, one file for each
// feature's Store. Every exported method is one transaction. It promises that
// what comes back is a domain type or a fault, never a driver's error; which
// database it is, is storage/db's secret, and what may be changed is for the
// features to say.
package sqlstore
