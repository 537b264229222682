/**
 * Ask a LLaVA-style model about images, with visual tokens pruned on the way: {@link
 * starling.Model}, {@link starling.Question}, {@link starling.Answer}.
 */
package starling;
