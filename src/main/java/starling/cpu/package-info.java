/** The cpu device: the operators in Java, one per file. */
package starling.cpu;
