/** Reading what is not trusted: files and JSON within limits, and refusals that say why. */
package starling.input;
