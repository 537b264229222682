/** Text to token ids and back, and the prompt around a question. */
package starling.text;
