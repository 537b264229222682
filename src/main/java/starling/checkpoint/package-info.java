/** Checkpoints in the Hugging Face LLaVA layout: configuration, weight files, tensor names. */
package starling.checkpoint;
